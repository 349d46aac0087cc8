#include "bind/bind.hpp"

NB_MODULE(_native, module) {
#ifdef NDEBUG
  // What other threads held as a process forked stays in the child for good, and would be told on
  // stderr when that ends.
  nanobind::set_leak_warnings(false);
#endif
  augury::bind_answers(module);
  augury::bind_ticket(module);
  augury::bind_cache(module);
  augury::bind_memo(module);
  augury::bind_model(module);
  augury::bind_curves(module);
  augury::bind_features(module);
  augury::bind_key_number(module);
  augury::bind_next_keys(module);
  augury::bind_policies(module);
  augury::bind_prefetch_simulation(module);
  augury::bind_record_reader(module);
  augury::bind_recording(module);
  augury::bind_redis_simulation(module);
  augury::bind_session(module);
  augury::bind_rows(module);
  augury::bind_simulation(module);
  augury::bind_trace(module);
  augury::bind_tree_ensemble(module);
  augury::bind_unchanged(module);
}
