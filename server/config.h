/*
 * What a node is told: by its command line, by a YAML file, and by the defaults, in this order of precedence. A key has
 * the same name everywhere: "--keys-max 5000" and "keys-max: 5000". The table of all keys is in config_keys.c.
 */
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

/* Texts of a key that may be given several times. */
struct sw_config_list {
    char **items;
    size_t count;
};

/* Who may use one role: with both empty, see config_keys.c. */
struct sw_config_access {
    struct sw_config_list identities; /* of client certificates */
    char *tokens;                     /* a file with a bearer token a line; NULL: none */
};

/* Numbers are checked against their bounds; texts are owned, NULL where nothing was said and there is no default. */
struct sw_config {
    char *data;
    char *node_id;
    char *listen; /* NULL: on the socket in the data folder alone */
    struct sw_limits limits;
    uint64_t connections_max; /* open at once */
    uint64_t peer_connections_max;
    uint64_t streams_max; /* calls at once on a connection */
    uint64_t handshake_timeout_ms;
    uint64_t idle_timeout_ms; /* of a connection without calls */
    uint64_t send_timeout_ms; /* of a message whose reader takes none of it */
    char *tls_certificate;
    char *tls_key;
    char *tls_client_ca;
    bool tls_client_optional; /* a client may come without a certificate */
    bool insecure;            /* no TLS beyond loopback is meant so */
    struct sw_config_access read_access, store_access, admin_access;
    uint64_t disk_free_bytes_min;
    uint64_t disk_free_percent_min;
    uint64_t scrub_interval_hours; /* 0: never */
    uint64_t scrub_bytes_per_second;
    char *nodes;          /* a node list's file */
    char *advertise;      /* as clients reach the node; NULL: where it listens */
    char *etcd_endpoints; /* NULL: it registers nowhere */
    char *etcd_prefix;
    uint64_t etcd_ttl_seconds;
    char *etcd_tls_ca, *etcd_tls_certificate, *etcd_tls_key;
    char *http_listen;
    bool access_log;
    uint64_t workers;
    uint64_t grace_ms;
    enum sw_log_level log_level;
    enum sw_log_format log_format;
    char *store_fault; /* the text of faults; NULL: none */
    struct sw_store_faults faults;
    struct sw_config_source *source; /* the command line and the file's name, to read the file again */
};

/*
 * Reads the command line, and the file that --config names. Prints and exits with 2 where one of them is wrong, and
 * with 0 for --help, --version, --check-config and --print-config. sw_config_clear is for the caller.
 */
void sw_config_parse(struct sw_config *config, int argc, char **argv);
/*
 * The configuration of a node that serves its own socket alone: of a file, with another data folder where that is not
 * NULL; or of a data folder, with all else as it is without a file. One of them is NULL at most.
 */
enum sw_status sw_config_local(struct sw_config *config, const char *file, const char *data, struct sw_error *error);
void sw_config_clear(struct sw_config *config);

/*
 * The same again from the same command line, for a file that may have changed; without a file nothing can have. What is
 * wrong with it is in error, and config is then empty.
 */
enum sw_status sw_config_reload(const struct sw_config *old, struct sw_config *config, struct sw_error *error);

/* Told of a key whose value differs: its name, both values as text, and whether a running node can take it. */
typedef void (*sw_config_change_fn)(const char *name, const char *from, const char *to, bool reloadable,
                                    void *user_data);
/* Returns how many differ. SIZE_MAX without memory. */
size_t sw_config_compare(const struct sw_config *from, const struct sw_config *to, sw_config_change_fn changed,
                         void *user_data);

#endif
