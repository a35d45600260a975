// The one translation unit that compiles Asio (BOOST_ASIO_SEPARATE_COMPILATION keeps it out of all others).
#include <boost/asio/impl/src.hpp>
