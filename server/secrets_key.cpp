#include "server/secrets_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "storage/base/log.h"

namespace server {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kTextBytes = 44;  // of base64

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string default_file(const Config& config) {
  if (!config.folder.empty()) return config.folder + "/secrets.key";
  for (const DriveConfig& drive : config.drives) {
    std::error_code error;
    if (std::filesystem::is_directory(drive.path, error)) return drive.path + "/secrets.key";
  }
  return {};
}

std::string sentence(const char* what, const std::string& path) {
  return fmt::format("the secrets key file {} cannot be {}: {}", path, what, std::strerror(errno));
}

// Makes a key and the file with it; the file is whole or absent after a crash.
bool make_file(const std::string& path, std::string& why) {
  unsigned char key[kKeyBytes];
  unsigned char text[kTextBytes + 1];
  if (RAND_bytes(key, sizeof key) != 1) {
    why = "the system gives no random bytes for a secrets key";
    return false;
  }
  EVP_EncodeBlock(text, key, sizeof key);
  text[kTextBytes] = '\n';
  OPENSSL_cleanse(key, sizeof key);
  const std::string beside = path + ".new";
  ::unlink(beside.c_str());
  bool written = false;
  {
    const File file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    written = file.get() >= 0 && ::write(file.get(), text, sizeof text) == static_cast<ssize_t>(sizeof text) &&
              ::fsync(file.get()) == 0;
  }
  OPENSSL_cleanse(text, sizeof text);
  // link() refuses to replace a key that another process made meanwhile.
  const bool linked = written && ::link(beside.c_str(), path.c_str()) == 0;
  if (!linked) why = sentence("made", path);
  ::unlink(beside.c_str());
  if (!linked) return false;
  const File folder(::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0 && ::fsync(folder.get()) != 0) {
    why = sentence("made", path);
    return false;
  }
  storage::log_info("secrets_key_made", {{"file", path}});
  return true;
}

bool read_file(const std::string& path, std::string& key, std::string& why) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    why = sentence("read", path);
    return false;
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    why = fmt::format("the secrets key file {} may be read by others: chmod 600 it", path);
    return false;
  }
  std::string text(kTextBytes + 2, '\0');
  const ssize_t length = ::read(file.get(), text.data(), text.size());
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool sound = decode_secrets_key(text, key);
  OPENSSL_cleanse(text.data(), text.size());
  if (!sound) why = fmt::format("the secrets key file {} does not hold 32 bytes in base64", path);
  return sound;
}

}  // namespace

bool decode_secrets_key(const std::string& text, std::string& key) {
  if (text.size() != kTextBytes || text.back() != '=' || text[kTextBytes - 2] == '=') return false;
  unsigned char bytes[kTextBytes];
  const int length = EVP_DecodeBlock(bytes, reinterpret_cast<const unsigned char*>(text.data()), kTextBytes);
  const bool sound = length == static_cast<int>(kKeyBytes) + 1;  // the padding counts
  if (sound) key.assign(reinterpret_cast<const char*>(bytes), kKeyBytes);
  OPENSSL_cleanse(bytes, sizeof bytes);
  return sound;
}

bool load_secrets_key(const Config& config, std::string& key, std::string& why) {
  if (!config.secrets_key.empty()) {
    key = config.secrets_key;
    return true;
  }
  const bool asked = !config.secrets_key_file.empty();
  const std::string path = asked ? config.secrets_key_file : default_file(config);
  if (path.empty()) {
    storage::log_warn("secrets_key_off", {{"why", "no configuration file and no directory to keep it in"}});
    return true;
  }
  const bool there = ::access(path.c_str(), F_OK) == 0;
  if (!there && !make_file(path, why)) {
    if (asked) return false;
    storage::log_warn("secrets_key_off", {{"why", why}});
    why.clear();
    return true;
  }
  return read_file(path, key, why);
}

}  // namespace server
