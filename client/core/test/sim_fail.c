/* A simulation that fails fails the running test. */
#include "client/core/test/sim_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void sim_end_test(const char *file, int line)
{
    _fail(file, line);
    abort();
}
