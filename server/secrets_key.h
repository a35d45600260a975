// The key that seals what users' keys are stored as, and temporary credentials.
//
// Where     `secrets_key` in the configuration; else a file of mode 0600: `secrets_key_file`, or `secrets.key` beside the
//           configuration file, or, without one, in the first drive that is a directory. It is made at the first start.
// Loss      without it the users of the metadata store cannot sign: keep a copy where the configuration is kept.
#pragma once

#include <string>

#include "server/config.h"

namespace server {

// 32 bytes of base64. False if it is anything else.
bool decode_secrets_key(const std::string& text, std::string& key);

// Puts the key into `key`; makes the file if there is none. Without a place that was asked for, a file that cannot be made
// leaves `key` empty and a warning in the log. False and a sentence in `why` for a place that was asked for and a file that is
// no key or that others may read. Blocks.
bool load_secrets_key(const Config& config, std::string& key, std::string& why);

}  // namespace server
