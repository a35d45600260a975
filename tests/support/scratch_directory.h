// ScratchDirectory: a fresh directory on a file system with O_DIRECT, removed with all it holds at the end.
//
// Place  below $TMPDIR if set, else below the working directory (ctest runs in the build tree).
#pragma once

#include <string>

namespace tests {

class ScratchDirectory {
 public:
  ScratchDirectory();  // throws std::system_error where it cannot be made
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace tests
