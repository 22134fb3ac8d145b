/* How a client shows itself to nodes and knows them: TLS, certificates and a token, read once when it is opened. */
#ifndef SW_CLIENT_SECURITY_H
#define SW_CLIENT_SECURITY_H

#include "common/tls_files.h"
#include "symwave/client.h"

struct sw_security {
    bool tls;
    struct sw_tls_pem pem;
    char *server_name; /* NULL: the host of each address */
    char *token;       /* NULL: none */
};

/* Reads what the options name. SW_INVALID_ARGUMENT, SW_NOT_FOUND, SW_IO_ERROR, SW_NO_MEMORY; then it is empty. */
enum sw_status sw_security_load(const struct sw_client_options *options, struct sw_security *security,
                                struct sw_error *error);
void sw_security_clear(struct sw_security *security);

/* SW_INVALID_ARGUMENT where a token would go to one of the nodes in the clear. */
enum sw_status sw_security_check(const struct sw_security *security, const struct sw_node_list *nodes,
                                 struct sw_error *error);

#endif
