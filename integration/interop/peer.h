/* The other implementation as a child process: src/main.rs, which SYMWAVE_RAPTORQ_PEER names. For tests under cmocka.
 */
#ifndef SW_INTEROP_PEER_H
#define SW_INTEROP_PEER_H

#include <stddef.h>
#include <stdint.h>

#define PEER_MESSAGE_BYTES 4096

struct bytes {
    uint8_t *data;
    size_t count;
};

/* Zeroed memory, of which there is always some. The caller frees it. */
void *room(size_t bytes);

/*
 * Runs a command of the peer, with repair where that is not NULL. Returns its exit status, or 128 and the signal; what
 * it said on standard error is in message. The caller frees output->data.
 */
int run_peer(const char *command, const char *oti, const char *repair, const struct bytes *input, struct bytes *output,
             char message[PEER_MESSAGE_BYTES]);

/* The same where nothing but success will do. The caller frees the data. */
struct bytes ask_peer(const char *command, const char *oti, const char *repair, const struct bytes *input);

#endif
