/* Numbers as they are written on a command line. Each function returns false for what is not of its form. */
#ifndef SW_CLI_PARSE_H
#define SW_CLI_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/* "4096", "512K", "32M", "2G", also "32MiB": powers of 1024. */
bool parse_bytes(const char *text, uint64_t *bytes);

/* "2", "0.5": seconds above 0, to milliseconds. */
bool parse_seconds(const char *text, uint32_t *milliseconds);

/* How many of a list: a count, or a share of it. */
struct amount {
    uint64_t count;            /* 0 where it is a share */
    uint32_t percent_times_e4; /* per cent times 10,000 */
};

/* "300", "17%", "12.5%": at least 1, above 0 % and at most 100 %. */
bool parse_amount(const char *text, struct amount *amount);

/* What it is of a total: a share is rounded up. */
uint64_t amount_of(const struct amount *amount, uint64_t total);

#endif
