/*
 * What calls may have of something, in all and for one peer, by its address: of memory, where a call's keys and values
 * are in the bytes that it reserves, so that those are bounded too; or of places, where each takes 1.
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
    uint64_t taken;
    struct sw_admission_peer *peers[SW_ADMISSION_LISTS]; /* those that hold any */
};

void sw_admission_init(struct sw_admission *admission);
void sw_admission_clear(struct sw_admission *admission); /* after all calls have left */

/* Reserves so much for a call. peer as sw_rpc_server_peer has it, "ipv4:127.0.0.1:4711": its port does not count. */
enum sw_admitted sw_admission_enter(struct sw_admission *admission, const char *peer, uint64_t amount, uint64_t most,
                                    uint64_t peer_most);
/* Gives back what was reserved under the same name. */
void sw_admission_leave(struct sw_admission *admission, const char *peer, uint64_t amount);

/* What is reserved now. */
uint64_t sw_admission_taken(struct sw_admission *admission);

#endif
