#include "tests/support/scratch_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace tests {

ScratchDirectory::ScratchDirectory() {
  const char* chosen = std::getenv("TMPDIR");
  path_ = chosen != nullptr ? std::string(chosen) : std::filesystem::current_path().string();
  path_ += "/granary-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path_);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tests
