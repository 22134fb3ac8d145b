/* Reports from what the engine and the store counted. */
#ifndef SW_REPORT_BUILD_H
#define SW_REPORT_BUILD_H

#include "client/io/retrieval.h"

/* The report of a retrieval that is over; the caller's to free. NULL without memory. */
struct sw_report *sw_report_of_retrieval(const struct retrieval *retrieval);

#endif
