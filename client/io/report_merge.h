/*
 * Sums of reports: of a file's retrievals, one for each source block and for each time that it is tried again; and of a
 * retrieval's legs, one for each node list.
 */
#ifndef SW_REPORT_MERGE_H
#define SW_REPORT_MERGE_H

#include "symwave/report.h"

/*
 * The report of two retrievals, one after the other, of which either may be NULL. Takes both over; the caller frees
 * what comes. Without memory the later one is left out.
 */
struct sw_report *sw_report_merge(struct sw_report *sum, struct sw_report *later);

#endif
