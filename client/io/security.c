#include "client/io/security.h"
#include "common/address.h"
#include "common/memory.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_BYTES_MAX 4096

/* The first line of a file that is no comment, as nodes' own files of tokens have them. */
static enum sw_status read_token(const char *path, char **token, struct sw_error *error)
{
    char line[TOKEN_BYTES_MAX + 3];
    FILE *file = fopen(path, "re");
    size_t bytes = 0;
    if (!file)
        return sw_error_set(error, errno == ENOENT ? SW_NOT_FOUND : SW_IO_ERROR, "cannot open the token %.300s: %s",
                            path, strerror(errno));
    while (bytes == 0 && fgets(line, sizeof(line), file))
        bytes = line[0] == '#' ? 0 : strcspn(line, " \t\r\n");
    fclose(file);
    if (bytes == 0 || bytes > TOKEN_BYTES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "the token %.300s: expected one on a line, of at most %d characters", path,
                            TOKEN_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++)
        if (line[i] < '!' || line[i] > '~')
            return sw_error_set(error, SW_INVALID_ARGUMENT, "the token %.300s: it is not of visible ASCII characters",
                                path);
    *token = strndup(line, bytes);
    explicit_bzero(line, sizeof(line));
    return *token ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for a token");
}

enum sw_status sw_security_load(const struct sw_client_options *options, struct sw_security *security,
                                struct sw_error *error)
{
    const struct sw_tls_files files = {
        .ca = options->tls_ca, .certificate = options->tls_certificate, .key = options->tls_key};
    *security = (struct sw_security){.tls = options->tls || files.ca || files.certificate || files.key};
    if (options->tls_server_name && !security->tls)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "tls_server_name is given, but no TLS");
    enum sw_status status = sw_tls_load(&files, &security->pem, NULL, error);
    if (status == SW_OK && options->token_file)
        status = read_token(options->token_file, &security->token, error);
    if (status == SW_OK && options->tls_server_name) {
        security->server_name = sw_strdup(options->tls_server_name);
        if (!security->server_name)
            status = sw_error_set(error, SW_NO_MEMORY, "no memory for a name");
    }
    if (status != SW_OK)
        sw_security_clear(security);
    return status;
}

void sw_security_clear(struct sw_security *security)
{
    sw_tls_pem_clear(&security->pem);
    if (security->token)
        explicit_bzero(security->token, strlen(security->token));
    sw_free(security->token);
    sw_free(security->server_name);
    *security = (struct sw_security){.tls = false};
}

enum sw_status sw_security_check(const struct sw_security *security, const struct sw_node_list *nodes,
                                 struct sw_error *error)
{
    if (security->tls || !security->token)
        return SW_OK;
    for (size_t i = 0; nodes && i < sw_node_list_count(nodes); i++) {
        const struct sw_node *node = sw_node_list_at(nodes, i);
        if (!sw_address_is_local(node->address))
            return sw_error_set(error, SW_INVALID_ARGUMENT,
                                "the token would go to node %.100s at %.200s for all to read: use TLS with it",
                                node->id, node->address);
    }
    return SW_OK;
}
