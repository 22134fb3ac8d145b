/*
 * Certificates and keys from files, looked at before gRPC gets them: it would say no more than that a handshake failed.
 */
#ifndef SW_TLS_FILES_H
#define SW_TLS_FILES_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

/* Paths, each NULL where there is none; PEM. certificate and key go together. */
struct sw_tls_files {
    const char *ca;          /* whose certificates the other side may have */
    const char *certificate; /* our own, followed by those that lead to its CA */
    const char *key;
};

/* Their texts; owned, NULL where there is none. */
struct sw_tls_pem {
    char *ca;
    char *certificate;
    char *key;
};

/* What our own certificate says; subject "" where there is none. */
struct sw_tls_facts {
    char subject[256];
    int64_t not_after_s; /* seconds since 1970 */
};

/*
 * Reads and checks the files: each holds what it should, and the key is the certificate's. A certificate that has
 * expired is taken: facts say so. SW_NOT_FOUND, SW_IO_ERROR, SW_INVALID_ARGUMENT and SW_NO_MEMORY name the file; pem is
 * then empty. facts may be NULL. The caller clears pem.
 */
enum sw_status sw_tls_load(const struct sw_tls_files *files, struct sw_tls_pem *pem, struct sw_tls_facts *facts,
                           struct sw_error *error);
/* Frees the texts; the key's memory is overwritten first. */
void sw_tls_pem_clear(struct sw_tls_pem *pem);

#endif
