// The panels, in the order of the page: a new one is a file of panels/ and a line here.

import answers from "./panels/answers.js";
import curve from "./panels/curve.js";
import hitRatio from "./panels/hit-ratio.js";
import importance from "./panels/importance.js";
import inference from "./panels/inference.js";
import key from "./panels/key.js";
import overview from "./panels/overview.js";
import policy from "./panels/policy.js";
import predictions from "./panels/predictions.js";
import prefetch from "./panels/prefetch.js";
import tiers from "./panels/tiers.js";

export const OF_CACHE = [overview, hitRatio, policy, curve, importance, predictions, key];
export const OF_SERVICE = [tiers, prefetch, answers, inference];
