#include "server/disk.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/thread.h"
#include "server/notify.h"
#include <stdlib.h>

#define LOOK_US 1000000

struct sw_disk {
    struct sw_service *service;
    struct sw_health *health;
    pthread_t thread;
    bool writable; /* the thread's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ends; /* under lock */
};

static void look(struct sw_disk *disk)
{
    struct sw_service *service = disk->service;
    struct sw_store_info info;
    struct sw_error error;
    if (service->store->info(service->store, &info, &error) != SW_OK || info.writable == disk->writable)
        return;
    disk->writable = info.writable;
    sw_health_set_writable(disk->health, info.writable);
    sw_log(service->logger, info.writable ? SW_LOG_INFO : SW_LOG_WARN,
           info.writable ? "the node takes symbols again"
                         : "the node takes no symbols: its disk is full or failing; it goes on to serve",
           "free_mib=%llu", (unsigned long long)(info.free_bytes >> 20));
}

static void *run(void *user_data)
{
    struct sw_disk *disk = user_data;
    pthread_mutex_lock(&disk->lock);
    while (!disk->ends) {
        pthread_mutex_unlock(&disk->lock);
        look(disk);
        sw_notify_alive(); /* the store answers */
        pthread_mutex_lock(&disk->lock);
        if (!disk->ends)
            sw_cond_wait_until(&disk->changed, &disk->lock, sw_clock_us() + LOOK_US);
    }
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}

enum sw_status sw_disk_start(struct sw_service *service, struct sw_health *health, struct sw_disk **out,
                             struct sw_error *error)
{
    struct sw_disk *disk = *out = calloc(1, sizeof(*disk));
    if (!disk)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to look after the disk");
    disk->service = service;
    disk->health = health;
    disk->writable = true;
    pthread_mutex_init(&disk->lock, NULL);
    sw_cond_init(&disk->changed);
    look(disk);
    if (sw_thread_start(&disk->thread, "sw-disk", run, disk) == 0)
        return SW_OK;
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
    *out = NULL;
    return sw_error_set(error, SW_IO_ERROR, "cannot start a thread to look after the disk");
}

void sw_disk_stop(struct sw_disk *disk)
{
    if (!disk)
        return;
    pthread_mutex_lock(&disk->lock);
    disk->ends = true;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
    pthread_join(disk->thread, NULL);
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}
