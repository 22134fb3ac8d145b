#include "server/notify.h"
#include "common/clock.h"
#include <systemd/sd-daemon.h>

void sw_notify_ready(const char *text)
{
    sd_notifyf(0, "READY=1\nSTATUS=%s", text);
}

void sw_notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)sw_clock_us());
}

void sw_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void sw_notify_alive(void)
{
    sd_notify(0, "WATCHDOG=1");
}
