/* The command line of symwaved. */
#ifndef SW_SERVER_CONFIG_H
#define SW_SERVER_CONFIG_H

#include "common/log.h"
#include "server/service.h"
#include "server/store_fault.h"

/*
 * Upper bounds of two limits. A RetrieveBatch holds its keys and a message of less than 112 KiB plus one value:
 * 8,192 * 32 bytes + (112 + 256) KiB is 624 KiB, which keeps every stream below 1 MiB.
 */
#define SW_KEYS_MAX_BOUND        8192
#define SW_VALUE_BYTES_MAX_BOUND (256u << 10)

struct sw_config {
    const char *data;
    const char *node_id;
    const char *listen;
    struct sw_limits limits;
    uint32_t workers;
    uint32_t grace_ms;
    enum sw_log_level log_level;
    enum sw_log_format log_format;
    const char *store_fault; /* the text of faults; NULL: none */
    struct sw_store_faults faults;
};

/*
 * Reads the command line into config, whose strings point into argv. Prints and exits with 2 where it is wrong, and
 * with 0 for --help and --version.
 */
void sw_config_parse(struct sw_config *config, int argc, char **argv);

#endif
