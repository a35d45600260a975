// Virtual objects: what stands under `.granary/` of a bucket. Clients get, put and delete them as any object; what happens is
// a row of one table, by the shape of the key.
//
// Rights    settled before a handler runs (authorization.h): s3:ListBucket on the bucket and s3:GetObject on the virtual
//           object's own name to read; to write s3:PutObject or s3:DeleteObject on it, by ownership or by a statement that
//           names BUCKET/.granary/ literally. What an answer tells of objects is the handler's to filter.
// Lifetime  the call outlives the handler's task and what it returned.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/virtual/virtual_key.h"
#include "storage/object_store.h"

namespace api {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kJsonLinesType = "application/x-ndjson";
inline constexpr std::string_view kCsvType = "text/csv";
inline constexpr std::string_view kTarType = "application/x-tar";

inline constexpr std::size_t kAnswerPieceBytes = 64 * 1024;  // about what one more() adds

// An answer on its way, made piece by piece.
class AnswerText {
 public:
  virtual ~AnswerText() = default;
  // Appends the next piece to `to`, about kAnswerPieceBytes, and says whether there may be more. Not called again after
  // false or a failure.
  virtual Task<Outcome<bool>> more(std::string& to) = 0;
  // After the end: further header lines of the answer, each "Name: value\r\n".
  virtual std::string headers() const { return {}; }
};

// A text that is there already.
class WholeText final : public AnswerText {
 public:
  explicit WholeText(std::string text) : text_(std::move(text)) {}
  Task<Outcome<bool>> more(std::string& to) override;

 private:
  std::string text_;
};

// What a virtual object is at the moment. One of `text` and `object`.
struct VirtualContent {
  std::string_view content_type = kJsonType;  // of `text`
  // Evaluated to its end once, kept for this user (kept_answers.h), and then read by ranges.
  std::unique_ptr<AnswerText> text;
  // Bytes that are the same whenever they are asked for. info() has their size, ETag, time and content type.
  std::unique_ptr<storage::OpenObject> object;
  std::string headers;  // further lines of the answer, each "Name: value\r\n"
};

// `rest` is what follows the pattern in the key, decoded: "truth/split = 'a'" of ".granary/stats/truth/split = 'a'".
using VirtualRead = Task<Outcome<VirtualContent>> (*)(Call& call, std::string rest);
// Takes effect before it returns, and reads the body to its end before any effect: only then is it verified. A repeated one
// must do no harm.
using VirtualWrite = Task<Outcome<>> (*)(Call& call, std::string rest, storage::BodySource& body);
// An absent one is no error, as with objects. `rest` alone says what: the call may be a DeleteObjects.
using VirtualRemove = Task<Outcome<>> (*)(Call& call, std::string rest);
// Entries for listings: at most `limit` whose keys are > after, ascending by key; of `info` the key, size, etag and time. Size
// and ETag are exactly what a GET gives.
using VirtualList = Task<Outcome<std::vector<storage::ObjectInfoPtr>>> (*)(Call& call, std::string after,
                                                                           std::uint32_t limit);

struct VirtualRow {
  std::string_view pattern;  // behind kVirtualPrefix. One that ends in '/' takes a rest of at least one byte, else InvalidArgument
  VirtualRead read = nullptr;      // null: 404
  VirtualWrite write = nullptr;    // null: 405
  VirtualRemove remove = nullptr;  // null: 405
  VirtualList list = nullptr;      // null: shows in no listing
};

// The table, ascending by pattern.
std::span<const VirtualRow> virtual_rows();

struct VirtualPlace {
  const VirtualRow* row = nullptr;
  std::string_view rest;  // of the key
};
// nullopt: no virtual object has such a key.
std::optional<VirtualPlace> find_virtual(std::string_view key);
// Errors: InvalidArgument where the pattern wants a rest and there is none.
Outcome<> check_rest(const VirtualPlace& place);

// One page of the virtual objects of a bucket, for a prefix that begins with kVirtualPrefix.
Task<Outcome<storage::ObjectPage>> list_virtual(Call& call, storage::ListOptions options);

// Reads a body that is a document, whole. Errors: EntityTooLarge above `bytes_max`, those of the body.
Task<Outcome<std::string>> read_document(Call& call, storage::BodySource& body, std::size_t bytes_max);

// DELETE of one; also of a key of DeleteObjects, whose rights are settled here. Errors: InvalidArgument (no such shape),
// MethodNotAllowed, AccessDenied.
Task<Outcome<>> remove_virtual(Call& call, std::string key);

// The operations behind the routes of such keys.
Task<Outcome<Response>> get_virtual(Call& call);  // and HEAD
Task<Outcome<Response>> put_virtual(Call& call);
Task<Outcome<Response>> copy_virtual(Call& call);
Task<Outcome<Response>> delete_virtual(Call& call);
Task<Outcome<Response>> create_virtual_upload(Call& call);
Task<Outcome<Response>> upload_virtual_part(Call& call);
Task<Outcome<Response>> copy_virtual_part(Call& call);
Task<Outcome<Response>> complete_virtual_upload(Call& call);
Task<Outcome<Response>> abort_virtual_upload(Call& call);
Task<Outcome<Response>> list_virtual_parts(Call& call);

}  // namespace api
