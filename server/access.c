#include "server/access.h"
#include "common/blake3.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_BYTES_MIN 16
#define TOKEN_BYTES_MAX 4096
/* Of one file. */
#define TOKENS_MAX 4096

/* What a token is compared by: of one length, and not the token. */
struct digest {
    uint8_t bytes[SW_BLAKE3_BYTES];
};

struct rules {
    bool is_set; /* the configuration has a rule, even if it lets nobody in: a file of tokens that has none */
    struct sw_config_list identities;
    struct digest *tokens;
    size_t token_count;
};

struct sw_access {
    pthread_mutex_t lock;
    struct rules rules[SW_ROLES]; /* under lock */
};

static const char *const role_names[SW_ROLES] = {"none", "read", "store", "admin"};

/* ---- tokens ---- */

static bool add_token(struct rules *rules, const char *token, size_t bytes)
{
    if (rules->token_count % 64 == 0) {
        struct digest *grown = realloc(rules->tokens, (rules->token_count + 64) * sizeof(*grown));
        if (!grown)
            return false;
        rules->tokens = grown;
    }
    sw_blake3(token, bytes, rules->tokens[rules->token_count++].bytes);
    return true;
}

/* A line of a file of tokens: a token, a comment, or nothing. */
static enum sw_status read_line(struct rules *rules, const char *path, size_t number, char *line,
                                struct sw_error *error)
{
    size_t bytes = strcspn(line, "\r\n");
    while (bytes > 0 && (line[bytes - 1] == ' ' || line[bytes - 1] == '\t'))
        bytes--;
    if (bytes == 0 || line[0] == '#')
        return SW_OK;
    for (size_t i = 0; i < bytes; i++)
        if (line[i] <= ' ' || line[i] > '~')
            return sw_error_set(error, SW_INVALID_ARGUMENT,
                                "the tokens %.200s, line %zu: a token is of visible ASCII characters, without spaces",
                                path, number);
    if (bytes < TOKEN_BYTES_MIN || bytes > TOKEN_BYTES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "the tokens %.200s, line %zu: a token has %d to %d characters, this has %zu", path, number,
                            TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, bytes);
    if (rules->token_count == TOKENS_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the tokens %.200s: more than %d", path, TOKENS_MAX);
    return add_token(rules, line, bytes) ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for tokens");
}

static enum sw_status read_tokens(struct rules *rules, const char *path, struct sw_error *error)
{
    struct stat facts;
    char line[TOKEN_BYTES_MAX + 3];
    enum sw_status status = SW_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!file) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return sw_error_set(error, code == ENOENT ? SW_NOT_FOUND : SW_IO_ERROR, "cannot open the tokens %.200s: %s",
                            path, strerror(code));
    }
    if (fstat(fd, &facts) != 0 || (facts.st_mode & 077) != 0)
        status =
            sw_error_set(error, SW_INVALID_ARGUMENT,
                         "the tokens %.200s: others can read them; make the file its owner's alone: chmod 600", path);
    for (size_t number = 1; status == SW_OK && fgets(line, sizeof(line), file); number++)
        status = read_line(rules, path, number, line, error);
    if (status == SW_OK && ferror(file))
        status = sw_error_set(error, SW_IO_ERROR, "cannot read the tokens %.200s: %s", path, strerror(errno));
    explicit_bzero(line, sizeof(line));
    fclose(file);
    return status;
}

/* ---- rules ---- */

static enum sw_status fill(struct rules *rules, const struct sw_config_access *config, struct sw_error *error)
{
    rules->is_set = config->identities.count > 0 || config->tokens != NULL;
    rules->identities.items = calloc(config->identities.count + 1, sizeof(char *));
    if (!rules->identities.items)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for access rules");
    for (size_t i = 0; i < config->identities.count; i++) {
        rules->identities.items[i] = strdup(config->identities.items[i]);
        if (!rules->identities.items[i])
            return sw_error_set(error, SW_NO_MEMORY, "no memory for access rules");
        rules->identities.count++;
    }
    return config->tokens ? read_tokens(rules, config->tokens, error) : SW_OK;
}

static void clear(struct rules *rules)
{
    for (size_t i = 0; i < rules->identities.count; i++)
        free(rules->identities.items[i]);
    free(rules->identities.items);
    free(rules->tokens);
}

enum sw_status sw_access_new(const struct sw_config *config, struct sw_access **out, struct sw_error *error)
{
    struct sw_access *access = calloc(1, sizeof(*access));
    *out = NULL;
    if (!access)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for access rules");
    pthread_mutex_init(&access->lock, NULL);
    enum sw_status status = fill(&access->rules[SW_ROLE_READ], &config->read_access, error);
    if (status == SW_OK)
        status = fill(&access->rules[SW_ROLE_STORE], &config->store_access, error);
    if (status == SW_OK)
        status = fill(&access->rules[SW_ROLE_ADMIN], &config->admin_access, error);
    if (status == SW_OK)
        *out = access;
    else
        sw_access_free(access);
    return status;
}

void sw_access_free(struct sw_access *access)
{
    if (!access)
        return;
    for (int role = 0; role < SW_ROLES; role++)
        clear(&access->rules[role]);
    pthread_mutex_destroy(&access->lock);
    free(access);
}

void sw_access_replace(struct sw_access *access, struct sw_access *from)
{
    struct rules old[SW_ROLES];
    pthread_mutex_lock(&access->lock);
    memcpy(old, access->rules, sizeof(old));
    memcpy(access->rules, from->rules, sizeof(old));
    pthread_mutex_unlock(&access->lock);
    memcpy(from->rules, old, sizeof(old));
    sw_access_free(from);
}

/* ---- a call ---- */

static bool is_rule(const char *name, size_t bytes, void *user_data)
{
    const struct sw_config_list *identities = user_data;
    for (size_t i = 0; i < identities->count; i++)
        if (strlen(identities->items[i]) == bytes && memcmp(identities->items[i], name, bytes) == 0)
            return true;
    return false;
}

static bool is_any(const char *name, size_t bytes, void *user_data)
{
    (void)name;
    (void)bytes;
    (void)user_data;
    return true;
}

/* In a time that tells nothing of which token it is, or how much of one is right. */
static bool has_token(const struct rules *rules, const struct digest *digest)
{
    unsigned found = 0;
    for (size_t i = 0; i < rules->token_count; i++) {
        unsigned difference = 0;
        for (size_t j = 0; j < sizeof(digest->bytes); j++)
            difference |= rules->tokens[i].bytes[j] ^ digest->bytes[j];
        found |= (difference - 1) >> 31; /* 1 where the difference is 0 */
    }
    return found != 0;
}

/* Who a call is, as far as it matters here. */
struct caller {
    const struct sw_rpc_server_call *call;
    bool has_token, has_identity;
    struct digest token;
};

static bool has_role(const struct caller *caller, struct rules *rules)
{
    if (caller->has_token && has_token(rules, &caller->token))
        return true;
    return caller->has_identity && rules->identities.count > 0 &&
           sw_rpc_server_any_identity(caller->call, is_rule, &rules->identities);
}

enum sw_rpc_code sw_access_check(struct sw_access *access, const struct sw_rpc_server_call *call, enum sw_role role,
                                 char *details, size_t details_bytes)
{
    struct caller caller = {.call = call};
    const char *token;
    size_t bytes;
    bool allowed, is_known = false;
    if (role == SW_ROLE_NONE || sw_rpc_server_is_local(call))
        return SW_RPC_OK;
    pthread_mutex_lock(&access->lock);
    struct rules *rules = &access->rules[role];
    const bool has_rules = rules->is_set;
    allowed = !has_rules && role != SW_ROLE_ADMIN;
    if (!allowed) {
        caller.has_token = sw_rpc_server_token(call, &token, &bytes);
        if (caller.has_token)
            sw_blake3(token, bytes, caller.token.bytes);
        caller.has_identity = sw_rpc_server_any_identity(call, is_any, NULL);
        allowed = has_role(&caller, rules);
        is_known = caller.has_identity;
        for (int other = 0; other < SW_ROLES; other++)
            is_known |= caller.has_token && has_token(&access->rules[other], &caller.token);
    }
    pthread_mutex_unlock(&access->lock);
    if (allowed)
        return SW_RPC_OK;
    if (is_known)
        snprintf(details, details_bytes,
                 "the caller may not do this: it lacks the role \"%s\" (%s-identities, %s-tokens)", role_names[role],
                 role_names[role], role_names[role]);
    else if (caller.has_token)
        snprintf(details, details_bytes, "the token is none that this node knows");
    else if (has_rules)
        snprintf(details, details_bytes,
                 "this takes the role \"%s\": come with a client certificate or a token that has it", role_names[role]);
    else
        snprintf(details, details_bytes,
                 "this takes the role \"admin\", which nobody has but over the node's own socket");
    return is_known ? SW_RPC_PERMISSION_DENIED : SW_RPC_UNAUTHENTICATED;
}
