// Digests of rows, the index of a batch and the doorkeeper.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/rows.cpp -Wl,--wrap=realloc -o rows && ./rows
#include <algorithm>
#include <bit>
#include <unordered_map>
#include <vector>

#include "core/random.hpp"
#include "inference/batch_index.hpp"
#include "inference/doorkeeper.hpp"
#include "inference/row_digest.hpp"
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

using Row = std::vector<unsigned char>;

Row random_row(std::size_t size, Random& random) {
  Row row(size);
  for (unsigned char& byte : row) byte = static_cast<unsigned char>(random.below(256));
  return row;
}

Digest digest_of(const Row& row, std::uint64_t seed = 0) {
  return RowDigest(seed).of(row.data(), row.size());
}

int changed_bits(const Digest& a, const Digest& b) {
  return std::popcount(a.low ^ b.low) + std::popcount(a.high ^ b.high);
}

// Entries in shared tiers are found by these, in every version and on every machine.
void digests_are_what_they_were() {
  Row row(3000);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<unsigned char>(i * i >> 3);
  const RowDigest digest(0);
  const auto is = [&](std::size_t size, std::uint64_t low, std::uint64_t high) {
    return digest.of(row.data(), size) == Digest{low, high};
  };
  CHECK(is(0, 0x7A79D4177B562975, 0x70070D47C1153221));
  CHECK(is(1, 0xD9CF19ED09A3D445, 0xE6FB3FB19E3FDC97));
  CHECK(is(8, 0x1AA1FFDB9DEAB6E0, 0x20D2F61D4F123394));
  CHECK(is(63, 0x46FD170CCE222C9E, 0xCF199BFBF6F7F2A1));
  CHECK(is(64, 0xF0C88329671A6D95, 0xEAD3571284A3E181));
  CHECK(is(65, 0x7E658545345FD7D0, 0x9210DC979C2369F6));
  CHECK(is(1023, 0x718052CC24707EC2, 0x950F679E0E70CCC9));
  CHECK(is(1024, 0x66F061689C18A80A, 0xFF4F8679ED73C01F));
  CHECK(is(1025, 0x5BC79709168B7655, 0x69F0FF2E781EB58C));
  CHECK(is(3000, 0x65FE980BBCE34A34, 0xBFFEC55A6B9129EF));
}

// Where a row lies in memory does not matter, and nothing beside it is read.
void digests_are_of_the_bytes_alone() {
  Random random(1);
  for (std::size_t size = 0; size < 300; ++size) {
    const Row row = random_row(size, random);
    const Digest digest = digest_of(row);
    for (std::size_t offset = 1; offset < 8; ++offset) {
      Row moved(size + offset, 0xFF);
      std::copy(row.begin(), row.end(), moved.begin() + static_cast<std::ptrdiff_t>(offset));
      CHECK(RowDigest(0).of(moved.data() + offset, size) == digest);
    }
  }
}

// One bit of a row changes about half of the bits of its digest, wherever it is.
void digests_avalanche() {
  Random random(2);
  for (const std::size_t size : {1u, 7u, 8u, 16u, 63u, 64u, 65u, 200u, 1024u, 1100u, 4096u}) {
    std::array<std::uint32_t, 128> flips{};
    std::uint32_t changes = 0;
    std::uint64_t total = 0;
    for (std::uint32_t round = 0; round < 2000; ++round) {
      Row row = random_row(size, random);
      const Digest before = digest_of(row);
      const auto bit = static_cast<std::size_t>(random.below(8 * size));
      row[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
      const Digest after = digest_of(row);
      const int changed = changed_bits(before, after);
      CHECK(changed > 25 && changed < 103);
      total += static_cast<std::uint64_t>(changed);
      ++changes;
      for (std::size_t i = 0; i < 64; ++i) {
        flips[i] += (before.low ^ after.low) >> i & 1;
        flips[64 + i] += (before.high ^ after.high) >> i & 1;
      }
    }
    const double mean = static_cast<double>(total) / changes;
    CHECK(mean > 63 && mean < 65);
    for (const std::uint32_t flipped : flips) CHECK(flipped > 850 && flipped < 1150);
  }
}

// Rows that differ in a counter only, as those of measurements do, at any place of a longer row.
void near_rows_have_different_digests() {
  for (const std::size_t size : {4u, 8u, 24u, 64u, 100u, 1500u}) {
    for (const std::size_t place : {std::size_t{0}, (size - 4) / 2, size - 4}) {
      constexpr std::uint32_t kRows = 60'000;
      std::vector<std::uint64_t> low;
      std::vector<std::uint64_t> high;
      Row row(size, 0);
      for (std::uint32_t count = 0; count < kRows; ++count) {
        std::memcpy(row.data() + place, &count, sizeof count);
        const Digest digest = digest_of(row);
        low.push_back(digest.low);
        high.push_back(digest.high);
      }
      for (auto* half : {&low, &high}) {
        std::ranges::sort(*half);
        CHECK(std::ranges::adjacent_find(*half) == half->end());
      }
    }
  }
}

// Floats whose mantissas have few bits set, and rows of zeros of any length.
void sparse_rows_have_different_digests() {
  std::vector<std::uint64_t> low;
  for (std::size_t size = 0; size < 3000; ++size) low.push_back(digest_of(Row(size, 0)).low);
  for (std::size_t first = 0; first < 196; ++first) {
    for (std::size_t second = 0; second < first; ++second) {
      std::vector<double> values(196, 0.0);
      values[first] = 1.0;
      values[second] = 2.0;
      Row row(values.size() * sizeof(double));
      std::memcpy(row.data(), values.data(), row.size());
      low.push_back(digest_of(row).low);
      std::swap(values[first], values[second]);  // in another order it is another row
      std::memcpy(row.data(), values.data(), row.size());
      low.push_back(digest_of(row).low);
    }
  }
  std::ranges::sort(low);
  CHECK(std::ranges::adjacent_find(low) == low.end());
}

void seeds_make_other_digests() {
  Random random(3);
  const Row row = random_row(100, random);
  std::vector<std::uint64_t> low;
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) low.push_back(digest_of(row, seed).low);
  std::ranges::sort(low);
  CHECK(std::ranges::adjacent_find(low) == low.end());
}

void an_index_finds_the_first_of_equals() {
  Random random(4);
  for (int round = 0; round < 200; ++round) {
    const auto rows = static_cast<std::size_t>(random.below(300));
    const std::uint64_t kinds = 1 + random.below(300);
    const std::uint64_t hashes = 1 + random.below(8);  // few: most of them collide
    std::vector<std::uint64_t> kind(rows);
    std::unordered_map<std::uint64_t, std::size_t> first;
    BatchIndex index(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      kind[row] = random.below(kinds);
      const std::uint64_t hash = round % 2 == 0 ? mix(kind[row]) : ~(kind[row] % hashes);
      const std::size_t expected = first.try_emplace(kind[row], row).first->second;
      CHECK(index.first(hash, row, [&](std::size_t other) { return kind[other] == kind[row]; }) ==
            expected);
    }
  }
}

void a_doorkeeper_forgets_none_of_the_last() {
  for (const std::size_t most : {std::size_t{1}, std::size_t{10}, std::size_t{1000}}) {
    Doorkeeper doorkeeper(most);
    for (std::uint64_t row = 0; row < 10 * most + 10; ++row) {
      doorkeeper.remember(mix(row));
      for (std::uint64_t age = 0; age < std::min<std::uint64_t>(most, row + 1); ++age) {
        CHECK(doorkeeper.knows(mix(row - age)));
        if (age == 50) break;
      }
      if (row + 1 >= most) CHECK(doorkeeper.knows(mix(row + 1 - most)));
    }
  }
}

void a_doorkeeper_takes_few_for_others() {
  constexpr std::uint64_t kRows = 10'000;
  Doorkeeper doorkeeper(kRows);
  for (std::uint64_t row = 0; row < 5 * kRows; ++row) doorkeeper.remember(mix(row));
  std::uint64_t wrong = 0;
  for (std::uint64_t row = 0; row < kRows; ++row)
    wrong += doorkeeper.knows(mix(row + (1ull << 40)));
  CHECK(wrong < kRows / 50);
  std::uint64_t old = 0;  // rows of long ago
  for (std::uint64_t row = 0; row < kRows; ++row) old += doorkeeper.knows(mix(row));
  CHECK(old < kRows / 50);
}

// What a print does not see only costs a look-up. But short rows it sees whole.
void prints_of_short_rows_tell_them_apart() {
  for (const std::size_t size : {1u, 5u, 8u, 13u, 100u, 128u}) {
    std::vector<std::uint64_t> prints;
    Row row(size, 0);
    prints.push_back(Doorkeeper::print_of(row.data(), size));
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      row[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
      prints.push_back(Doorkeeper::print_of(row.data(), size));
      row[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
    }
    std::ranges::sort(prints);
    CHECK(std::ranges::adjacent_find(prints) == prints.end());
  }
  Random random(5);
  for (std::size_t size = 129; size < 400; ++size) {  // nothing beside a row is read
    const Row row = random_row(size, random);
    CHECK(Doorkeeper::print_of(row.data(), size) == Doorkeeper::print_of(Row(row).data(), size));
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury::tests;
  digests_are_what_they_were();
  digests_are_of_the_bytes_alone();
  digests_avalanche();
  near_rows_have_different_digests();
  sparse_rows_have_different_digests();
  seeds_make_other_digests();
  an_index_finds_the_first_of_equals();
  a_doorkeeper_forgets_none_of_the_last();
  a_doorkeeper_takes_few_for_others();
  prints_of_short_rows_tell_them_apart();
}
