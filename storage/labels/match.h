// Match: what bitmaps know of who satisfies a query: a set that surely does and one outside of which nobody does. Facts of
// objects have no bitmaps, so the two may differ; who is between them has to be asked.
//
// Order    union, intersection and complement keep both bounds true.
#pragma once

#include <memory>
#include <vector>

#include "storage/labels/ordinal_set.h"

namespace storage::labels {

using OrdinalSetPtr = std::shared_ptr<const OrdinalSet>;

// A set, or everybody but a set.
struct Side {
  OrdinalSetPtr set;  // never null
  bool inverted = false;

  bool contains(Ordinal ordinal) const { return set->contains(ordinal) != inverted; }
  bool none() const { return !inverted && set->empty(); }
};

struct Match {
  Side surely;
  Side perhaps;

  static Match nobody();
  static Match unknown();
  // `doubt`: those of `set` that may not belong to it.
  static Match of(OrdinalSetPtr set, OrdinalSetPtr doubt);

  bool exact() const { return surely.set == perhaps.set && surely.inverted == perhaps.inverted; }
};

Match all_of(std::vector<Match> matches);
Match any_of(std::vector<Match> matches);
Match negation(Match match);

}  // namespace storage::labels
