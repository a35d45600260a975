// The one translation unit that compiles Asio's TLS half (see storage/base/asio_source.cpp).
#include <boost/asio/ssl/impl/src.hpp>
