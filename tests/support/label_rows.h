// What the index's rows should be, worked out from the head rows alone.
#pragma once

#include <string>

#include "tests/support/simulated_store.h"

namespace tests {

// Compares all rows of the index with the labels of the current versions (invariant 16). Empty if they agree, else a
// sentence about the first rows that are too many or missing.
std::string check_label_rows(SimulatedStore& store);

}  // namespace tests
