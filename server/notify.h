/* Tells the service manager how the node is, by systemd's protocol; without one nothing happens. From any thread. */
#ifndef SW_SERVER_NOTIFY_H
#define SW_SERVER_NOTIFY_H

/* It serves; text says where. */
void sw_notify_ready(const char *text);
/* It reads its configuration again; sw_notify_ready follows. */
void sw_notify_reloading(void);
void sw_notify_stopping(void);
/* It is alive: asked for often enough where the manager has a watchdog. */
void sw_notify_alive(void);

#endif
