// FormParser: multipart/form-data (RFC 7578), a machine without I/O that is fed bytes at any cut.
//
// Use       while next() says `more`, put bytes into room() and tell add() how many, or end() when none will come.
// Memory    one buffer of kFormBufferBytes; what a piece gives lives until the next call of next() or room().
// Bounds    a part's head has at most kFormHeadBytesMax bytes, a boundary kFormBoundaryBytesMax characters.
// Threads   one task.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace api {

inline constexpr std::size_t kFormBufferBytes = 16 * 1024;
inline constexpr std::size_t kFormHeadBytesMax = 8 * 1024;
inline constexpr std::size_t kFormBoundaryBytesMax = 200;

// The boundary that a Content-Type of multipart/form-data names; nullopt for anything else.
std::optional<std::string> form_boundary(std::string_view content_type);

struct FormPart {
  std::string name;
  std::string filename;      // empty when there is none
  std::string content_type;  // empty when there is none
};

class FormParser {
 public:
  explicit FormParser(std::string_view boundary);

  enum class Step {
    more,       // bytes are wanted
    part,       // part() is the head of the next part
    bytes,      // piece() is some of its value
    part_end,   // its value ended
    done,       // the form ended; what follows belongs to nobody
    malformed,  // no form, or cut short; stays so
  };
  Step next();

  std::span<std::byte> room();
  void add(std::size_t count);
  void end() { ended_ = true; }

  const FormPart& part() const { return part_; }
  std::string_view piece() const { return piece_; }

 private:
  enum class State { preamble, delimited, head, value, done, malformed };

  std::string_view rest() const { return {buffer_.data() + begin_, size_ - begin_}; }
  Step starve();
  Step skip_preamble();
  Step after_delimiter();
  Step read_head();
  Step read_value();
  bool parse_head(std::string_view head);

  std::string delimiter_;  // CRLF, two dashes, the boundary
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
  bool ended_ = false;
  State state_ = State::preamble;
  FormPart part_;
  std::string_view piece_;
};

}  // namespace api
