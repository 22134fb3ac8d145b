/*
 * TLS of the RPC layer: credentials of servers, whose certificates may be replaced while connections live, and of
 * channels; and who is at the other end of a call.
 */
#include "common/memory.h"
#include "common/rpc_server_core.h"
#include <string.h>

/* What gRPC calls the security of local credentials; its headers have no name for it. */
#define LOCAL_SECURITY "local"

struct sw_rpc_certificates {
    pthread_mutex_t lock;
    grpc_ssl_server_certificate_config *next; /* for the next handshake; NULL: it is as before */
};

static grpc_ssl_server_certificate_config *make_config(const struct sw_tls_pem *pem)
{
    grpc_ssl_pem_key_cert_pair pair = {.private_key = pem->key, .cert_chain = pem->certificate};
    /* gRPC aborts without CAs, though nobody is asked for a certificate then. */
    return grpc_ssl_server_certificate_config_create(pem->ca ? pem->ca : pem->certificate, &pair, 1);
}

/* gRPC asks before each handshake. */
static grpc_ssl_certificate_config_reload_status fetch(void *user_data, grpc_ssl_server_certificate_config **config)
{
    struct sw_rpc_certificates *certificates = user_data;
    pthread_mutex_lock(&certificates->lock);
    *config = certificates->next;
    certificates->next = NULL;
    pthread_mutex_unlock(&certificates->lock);
    return *config ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
}

struct sw_rpc_certificates *sw_rpc_certificates_new(void)
{
    struct sw_rpc_certificates *certificates = sw_calloc(1, sizeof(*certificates));
    if (certificates)
        pthread_mutex_init(&certificates->lock, NULL);
    return certificates;
}

void sw_rpc_certificates_set(struct sw_rpc_certificates *certificates, const struct sw_tls_pem *pem)
{
    grpc_ssl_server_certificate_config *config = make_config(pem);
    pthread_mutex_lock(&certificates->lock);
    grpc_ssl_server_certificate_config *unused = certificates->next;
    certificates->next = config;
    pthread_mutex_unlock(&certificates->lock);
    if (unused)
        grpc_ssl_server_certificate_config_destroy(unused);
}

void sw_rpc_certificates_free(struct sw_rpc_certificates *certificates)
{
    if (!certificates)
        return;
    if (certificates->next)
        grpc_ssl_server_certificate_config_destroy(certificates->next);
    pthread_mutex_destroy(&certificates->lock);
    sw_free(certificates);
}

grpc_server_credentials *sw_rpc_server_credentials(struct sw_rpc_certificates *certificates, bool has_ca,
                                                   bool client_optional)
{
    if (!certificates)
        return grpc_insecure_server_credentials_create();
    grpc_ssl_client_certificate_request_type request = !has_ca ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                       : client_optional
                                                           ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                                           : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, fetch, certificates));
}

grpc_channel_credentials *sw_rpc_channel_credentials(const struct sw_rpc_channel_options *options)
{
    if (!options->tls)
        return grpc_insecure_credentials_create();
    const struct sw_tls_pem *pem = options->tls;
    grpc_ssl_pem_key_cert_pair pair = {.private_key = pem->key, .cert_chain = pem->certificate};
    return grpc_ssl_credentials_create_ex(pem->ca, pem->key ? &pair : NULL, NULL, NULL);
}

/* ---- who calls ---- */

size_t sw_rpc_server_peer(const struct sw_rpc_server_call *call, char *out, size_t out_bytes)
{
    size_t length = strlen(call->peer);
    if (out_bytes > 0) {
        size_t count = length < out_bytes ? length : out_bytes - 1;
        memcpy(out, call->peer, count);
        out[count] = '\0';
    }
    return length;
}

/* Whether a property of a call has a value for which is_wanted holds. */
static bool has_property(grpc_auth_context *context, const char *name,
                         bool (*is_wanted)(const char *value, size_t bytes, void *user_data), void *user_data)
{
    grpc_auth_property_iterator iterator = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property *property;
    while ((property = grpc_auth_property_iterator_next(&iterator)) != NULL)
        if (is_wanted(property->value, property->value_length, user_data))
            return true;
    return false;
}

bool sw_rpc_server_any_identity(const struct sw_rpc_server_call *call,
                                bool (*is_wanted)(const char *name, size_t bytes, void *user_data), void *user_data)
{
    static const char *const properties[] = {GRPC_PEER_DNS_PROPERTY_NAME, GRPC_PEER_URI_PROPERTY_NAME};
    grpc_auth_context *context = grpc_call_auth_context(sw_rpc_server_core_call(call));
    bool is_any = false;
    if (context && grpc_auth_context_peer_is_authenticated(context))
        for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]) && !is_any; i++)
            is_any = has_property(context, properties[i], is_wanted, user_data);
    grpc_auth_context_release(context);
    return is_any;
}

static bool is_local(const char *value, size_t bytes, void *user_data)
{
    (void)user_data;
    return bytes == strlen(LOCAL_SECURITY) && memcmp(value, LOCAL_SECURITY, bytes) == 0;
}

bool sw_rpc_server_is_local(const struct sw_rpc_server_call *call)
{
    grpc_auth_context *context = grpc_call_auth_context(sw_rpc_server_core_call(call));
    bool local = context && has_property(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME, is_local, NULL);
    grpc_auth_context_release(context);
    return local;
}
