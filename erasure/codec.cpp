#include "erasure/codec.h"
