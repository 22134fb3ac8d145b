/*
 * What calls may use of memory, in all and for one peer, by its address. A call's keys and values are in the bytes that
 * it reserves, so that those are bounded too.
 */
#ifndef SW_SERVER_ADMISSION_H
#define SW_SERVER_ADMISSION_H

#include <pthread.h>
#include <stdint.h>

#define SW_ADMISSION_LISTS 256

enum sw_admitted {
    SW_ADMITTED,
    SW_ADMITTED_NOT,      /* no room for any call */
    SW_ADMITTED_NOT_PEER, /* none for one of this peer */
};

struct sw_admission_peer;

struct sw_admission {
    pthread_mutex_t lock;
    /* under lock */
    uint64_t bytes;
    struct sw_admission_peer *peers[SW_ADMISSION_LISTS]; /* those that hold any */
};

void sw_admission_init(struct sw_admission *admission);
void sw_admission_clear(struct sw_admission *admission); /* after all calls have left */

/* Reserves bytes for a call. peer as sw_rpc_server_peer has it, "ipv4:127.0.0.1:4711": its port does not count. */
enum sw_admitted sw_admission_enter(struct sw_admission *admission, const char *peer, uint64_t bytes,
                                    uint64_t bytes_max, uint64_t peer_bytes_max);
/* Gives back what was reserved under the same name. */
void sw_admission_leave(struct sw_admission *admission, const char *peer, uint64_t bytes);

/* What is reserved now. */
uint64_t sw_admission_bytes(struct sw_admission *admission);

#endif
