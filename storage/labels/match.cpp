#include "storage/labels/match.h"

#include <algorithm>

namespace storage::labels {
namespace {

const OrdinalSetPtr& empty_set() {
  static const OrdinalSetPtr kEmpty = std::make_shared<const OrdinalSet>();
  return kEmpty;
}

Side inverse(Side side) {
  side.inverted = !side.inverted;
  return side;
}

// The smallest first: no step then works on more than that one has.
Side intersection(std::vector<Side> sides) {
  const auto plain_end = std::stable_partition(sides.begin(), sides.end(), [](const Side& side) { return !side.inverted; });
  std::sort(sides.begin(), plain_end, [](const Side& a, const Side& b) { return a.set->size() < b.set->size(); });
  if (sides.size() == 1) return sides.front();
  const bool inverted = sides.front().inverted;
  OrdinalSet result(*sides.front().set);
  for (std::size_t i = 1; i < sides.size(); ++i) {
    if (!inverted && result.empty()) break;
    if (inverted) {
      result |= *sides[i].set;  // none of several sets is none of their union
    } else if (sides[i].inverted) {
      result -= *sides[i].set;
    } else {
      result &= *sides[i].set;
    }
  }
  return {std::make_shared<const OrdinalSet>(std::move(result)), inverted};
}

Side union_of(std::vector<Side> sides) {
  for (Side& side : sides) side = inverse(std::move(side));
  // Of plain sides this is the complement of nothing but an intersection of complements: one union.
  return inverse(intersection(std::move(sides)));
}

using Combine = Side (*)(std::vector<Side>);

Match combine(std::vector<Match> matches, Combine combined) {
  bool exact = true;
  std::vector<Side> surely;
  std::vector<Side> perhaps;
  for (Match& match : matches) {
    exact = exact && match.exact();
    surely.push_back(std::move(match.surely));
    perhaps.push_back(std::move(match.perhaps));
  }
  Match match;
  match.perhaps = combined(std::move(perhaps));
  match.surely = exact ? match.perhaps : combined(std::move(surely));
  return match;
}

}  // namespace

Match Match::nobody() { return of(empty_set(), nullptr); }

Match Match::unknown() {
  Match match;
  match.surely = {empty_set(), false};
  match.perhaps = {empty_set(), true};
  return match;
}

Match Match::of(OrdinalSetPtr set, OrdinalSetPtr doubt) {
  Match match;
  match.perhaps = {set, false};
  if (doubt == nullptr || doubt->empty()) {
    match.surely = {std::move(set), false};
    return match;
  }
  OrdinalSet sure(*set);
  sure -= *doubt;
  match.surely = {std::make_shared<const OrdinalSet>(std::move(sure)), false};
  return match;
}

Match all_of(std::vector<Match> matches) { return combine(std::move(matches), &intersection); }
Match any_of(std::vector<Match> matches) { return combine(std::move(matches), &union_of); }

Match negation(Match match) {
  Match result;
  result.surely = inverse(std::move(match.perhaps));
  result.perhaps = inverse(std::move(match.surely));
  return result;
}

}  // namespace storage::labels
