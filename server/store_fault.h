/*
 * Faults laid over a store, so that a client can be tested against a node that is slow, stalls, fails or lies. What
 * reads is disturbed; what writes is not.
 */
#ifndef SW_STORE_FAULT_H
#define SW_STORE_FAULT_H

#include "server/store.h"

/* 0 is a fault that there is not. */
struct sw_store_faults {
    uint64_t rate_bytes;      /* of values a second, over all readers together; one value may come at once */
    uint32_t delay_ms;        /* before each get and contains */
    uint32_t corrupt_percent; /* of keys: one bit of their value is wrong, always the same one */
    uint32_t error_percent;   /* of keys: get and contains fail with SW_IO_ERROR */
    bool stalls;              /* get never returns from the one after stall_after on, which counts all gets */
    uint64_t stall_after;
};

/*
 * Reads faults from text: "rate=BYTES,delay=MS,corrupt=PERCENT,error=PERCENT,stall_after=N", any of them in any order,
 * each once. SW_INVALID_ARGUMENT with what is wrong, and what would be right.
 */
enum sw_status sw_store_faults_parse(const char *text, struct sw_store_faults *faults, struct sw_error *error);

/* Lays faults over a store, which becomes the new one's: close closes both. On failure it is still the caller's. */
enum sw_status sw_store_fault_open(struct sw_store *under, const struct sw_store_faults *faults,
                                   struct sw_store **store, struct sw_error *error);

/*
 * From now on nothing waits: calls that do go on at once, without an error. Before whoever reads is to be joined or
 * waited for. Any thread.
 */
void sw_store_fault_end_waits(struct sw_store *store);

#endif
