/* Looks every second whether the store takes symbols, and tells health and the log when that changes. */
#ifndef SW_SERVER_DISK_H
#define SW_SERVER_DISK_H

#include "server/health.h"

struct sw_disk;

/* service and health are borrowed. SW_IO_ERROR without a thread, SW_NO_MEMORY. */
enum sw_status sw_disk_start(struct sw_service *service, struct sw_health *health, struct sw_disk **disk,
                             struct sw_error *error);
void sw_disk_stop(struct sw_disk *disk); /* NULL is allowed */

#endif
