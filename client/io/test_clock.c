#include "client/io/test_clock.h"
#include "common/clock.h"

void sw_test_sdk_clock_stop(uint64_t at_us)
{
    sw_clock_stop(at_us);
}

void sw_test_sdk_clock_run(void)
{
    sw_clock_run();
}
