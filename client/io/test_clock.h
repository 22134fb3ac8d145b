/* What libsymwave-testing does to the clock of libsymwave; for nobody else. See symwave/testing.h. */
#ifndef SW_TEST_CLOCK_H
#define SW_TEST_CLOCK_H

#include "symwave/status.h"
#include <stdint.h>

SW_PUBLIC void sw_test_sdk_clock_stop(uint64_t at_us);
SW_PUBLIC void sw_test_sdk_clock_run(void);

#endif
