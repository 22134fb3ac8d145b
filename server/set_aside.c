/* Damaged symbols: out of the store, where they would be served and taken for held, into files for who wants to know.
 */
#include "common/blake3.h"
#include "common/memory.h"
#include "server/service.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes the bytes to DATA/damaged/KEY. Whether it worked; the symbol goes all the same. */
static bool keep(const struct sw_service *service, const char *name, const struct sw_store_value *value)
{
    char *folder = sw_text_new("%s/damaged", service->data);
    char *path = sw_text_new("%s/damaged/%s", service->data, name);
    bool ok = folder && path && (mkdir(folder, 0750) == 0 || errno == EEXIST);
    int fd = ok ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640) : -1;
    ok = fd >= 0 && write(fd, value->bytes, value->bytes_count) == (ssize_t)value->bytes_count;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    sw_free(path);
    sw_free(folder);
    return ok;
}

bool sw_service_is_whole(const struct sw_key *key, const struct sw_store_value *value)
{
    uint8_t hash[SW_BLAKE3_BYTES];
    sw_blake3(value->bytes, value->bytes_count, hash);
    return memcmp(hash, key->bytes, SW_KEY_BYTES) == 0;
}

/* Under damage_lock: what is stored anew in its place cannot come between the look and the deletion. */
static enum sw_status take_out(struct sw_service *service, const struct sw_key *key, bool *is_damaged, bool *is_kept)
{
    struct sw_store *store = service->store;
    struct sw_store_value value = {0};
    struct sw_error error = {0};
    char name[SW_KEY_BASE58_SIZE];
    *is_damaged = false;
    if (store->get(store, key, NULL, &value, &error) != SW_OK || !value.bytes)
        return SW_OK;
    *is_damaged = !sw_service_is_whole(key, &value);
    sw_key_to_base58(key, name);
    *is_kept = *is_damaged && keep(service, name, &value);
    value.release(value.release_data);
    if (!*is_damaged)
        return SW_OK;
    enum sw_status status = store->delete_batch ? store->delete_batch(store, key, 1, &error) : SW_INTERNAL;
    return status == SW_OK ? store->sync(store, &error) : status;
}

void sw_service_set_aside(struct sw_service *service, const struct sw_key *key)
{
    bool is_damaged, is_kept = false;
    char name[SW_KEY_BASE58_SIZE];
    pthread_rwlock_wrlock(&service->damage_lock);
    enum sw_status status = take_out(service, key, &is_damaged, &is_kept);
    pthread_rwlock_unlock(&service->damage_lock);
    if (!is_damaged)
        return;
    sw_key_to_base58(key, name);
    sw_metrics_add(service->metrics, SW_METRIC_SYMBOLS_SET_ASIDE, status == SW_OK);
    sw_log(service->logger, status == SW_OK ? SW_LOG_WARN : SW_LOG_ERROR,
           status == SW_OK ? "a damaged symbol is set aside: store it again to have it back"
                           : "a damaged symbol cannot be set aside",
           "key=%s file=%s", name, is_kept ? "written" : "none");
}
