#include <features.h>
__GLIBC__.__GLIBC_MINOR__
