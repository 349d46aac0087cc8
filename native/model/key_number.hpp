// The number that stands for a key in features: near to those of keys that are like it.
//
// - An integer: itself, modulo 2^64.
// - Text: as it is built, `user:42:profile` from the words and numbers of its segments. The words
//   are its namespace, `user:#:profile`, and the last number says which key of it it is:
//
//     bit 63  1
//     62..43  hash of the namespace
//     42..0   (hash of the namespace and of all but the last number, in steps of 1024) + the number
//
//   So `user:43:profile` is one above, `user:42:post:7` one below `user:42:post:8`, and both pairs
//   share a namespace. Where the last variable part is no number, bits 42..0 are a hash of it all.
//   Text that is an integer, as keys in files are, is that integer.
//
// Segments end at punctuation and spaces, but not at - _ . and their like; only ASCII digits count.
// A segment is opaque, thus neither word nor number, if a letter follows a digit (UUIDs, digests),
// or if it has no digit, but is a value (`q=word`), or the last one of a key without numbers
// (`/blog/slug`), or looks like the name of a file (`2024/05/me.png`) or is longer than 32 bytes.
//
// Numbers name keys to features only, never to a cache: two keys with one number share what is
// predicted. Of n opaque keys in a namespace about n^2 / 2^44 pairs do, of keys with two numbers
// n^2 / 2^34 of those with equal last ones, and numbers that are equal modulo 2^43. Two namespaces
// share the upper bits with probability 2^-20, and then statistics, but not the numbers of keys.
// The hash can be collided on purpose.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/hash.hpp"

namespace augury {

// Keys of one namespace; of integers: those with the same bits above the lower 24.
inline std::uint64_t namespace_of(std::uint64_t number) {
  return number & (number >> 63 != 0 ? ~std::uint64_t{0} << 43 : ~std::uint64_t{0} << 24);
}

// Reads a key piece by piece, at about a nanosecond a byte.
class KeyNumber {
 public:
  void text(std::string_view bytes) {
    for (const char byte : bytes) add(static_cast<unsigned char>(byte));
  }

  void add(unsigned char byte) {
    const Kind kind = kKinds[byte];
    if (kind == Kind::kDigit) {
      if (!in_number_) {
        integer(0);
        in_number_ = true;
        width_ = 0;
        padded_ = byte == '0';
      }
      ++width_;
      shape_.last = shape_.last * 10 + (byte - '0');
    } else {
      opaque_ |= in_number_ && kind == Kind::kLetter;
      end_number();
      if (kind == Kind::kDelimiter) {
        end_segment(false);
        word(byte);
        before_ = shape_;
        is_value_ = byte == '=';
        return;
      }
      named_ |= byte == '.' || byte == '-';
      word(byte);
    }
    raw_ = hash_byte(raw_, byte);
    ++length_;
  }

  // A whole segment that is an integer.
  void integer(std::uint64_t value) {
    part(value);
    word('#');
    digits_ = true;
  }

  // A whole segment of which nothing but a hash is known.
  void unknown(std::uint64_t hash) {
    raw_ = hash;
    opaque_ = true;
  }

  // Keys of other spaces are never of one namespace.
  void space(std::uint64_t id) { shape_.words = mix(shape_.words ^ id); }

  // The number; ends the reading.
  std::uint64_t get() {
    end_number();
    end_segment(true);
    constexpr std::uint64_t kOneNumber = hash_byte(kHashBasis, '#');
    constexpr std::uint64_t kOneNegative = hash_byte(hash_byte(kHashBasis, '-'), '#');
    if (shape_.number && shape_.parts == 0) {
      if (shape_.words == kOneNumber) return shape_.last;
      if (shape_.words == kOneNegative) return 0 - shape_.last;
    }
    const std::uint64_t space = mix(shape_.words);
    const std::uint64_t before = mix(space ^ shape_.parts);
    const std::uint64_t place =
        shape_.number ? (before & ~std::uint64_t{1023}) + shape_.last : mix(before ^ shape_.last);
    return std::uint64_t{1} << 63 | (space >> 44) << kPlaceBits | (place & kPlace);
  }

 private:
  enum class Kind : std::uint8_t { kLetter, kDigit, kMark, kDelimiter };

  static constexpr unsigned kPlaceBits = 43;
  static constexpr std::uint64_t kPlace = (std::uint64_t{1} << kPlaceBits) - 1;
  static constexpr std::uint32_t kLongWord = 32;

  static constexpr std::array<Kind, 256> kKinds = [] {
    std::array<Kind, 256> kinds{};
    for (int byte = 0; byte < 128; ++byte) {
      const bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
      const bool digit = byte >= '0' && byte <= '9';
      const bool mark =
          std::string_view("-_.+~%@!$*'").find(static_cast<char>(byte)) != std::string_view::npos;
      kinds[static_cast<std::size_t>(byte)] = letter  ? Kind::kLetter
                                              : digit ? Kind::kDigit
                                              : mark  ? Kind::kMark
                                                      : Kind::kDelimiter;
    }
    return kinds;  // what is beyond ASCII is letters
  }();

  // What was read, with the variable parts taken out of the words.
  struct Shape {
    std::uint64_t words = kHashBasis;
    std::uint64_t parts = 0;  // the variable ones before the last
    std::uint64_t last = 0;
    bool number = false;  // the last one is a number
    bool any = false;     // there is one
  };

  void word(unsigned char byte) { shape_.words = hash_byte(shape_.words, byte); }

  void part(std::uint64_t number) {
    if (shape_.any) shape_.parts = mix(shape_.parts ^ shape_.last);
    shape_.last = number;
    shape_.number = shape_.any = true;
  }

  // `07` is another key than `7`, but next to `08`.
  void end_number() {
    if (in_number_ && padded_ && width_ > 1) shape_.parts = mix(shape_.parts ^ width_);
    in_number_ = false;
  }

  void end_segment(bool is_last) {
    const bool is_name = !digits_ && length_ != 0 &&
                         (is_value_ || (is_last && (!shape_.any || named_ || length_ > kLongWord)));
    if (opaque_ || is_name) {
      shape_ = before_;
      part(raw_);
      shape_.number = false;
      word('*');
    }
    before_ = shape_;
    raw_ = kHashBasis;
    length_ = 0;
    digits_ = opaque_ = named_ = is_value_ = false;
  }

  Shape shape_;
  Shape before_;  // of all up to this segment
  std::uint64_t raw_ = kHashBasis;
  std::uint32_t length_ = 0;
  bool in_number_ = false;   // the last byte was a digit
  bool padded_ = false;      // the number began with 0
  std::uint64_t width_ = 0;  // its digits
  // Of the segment:
  bool digits_ = false;
  bool opaque_ = false;
  bool named_ = false;  // has a mark that names of files and slugs have
  bool is_value_ = false;
};

}  // namespace augury
