/* Names in directories. A change of names (create, remove, rename) is seen at once and durable when one of its
 * directories is synced; until then it waits in the disk's list of pending changes. */
#ifndef SIM_NAMES_H
#define SIM_NAMES_H

#include "common/base/list.h"
#include "tests/sim/inode.h"

struct sim_name {
    struct list link;
    struct sim_inode *inode;
    char text[];
};

void names_clear(struct list *names);
/* The inode, borrowed, or NULL. */
struct sim_inode *names_find(const struct list *names, const char *text);

/* `text` in `directory` shall show `inode`, or nothing if it is NULL. */
struct name_setting {
    struct sim_inode *directory;
    struct sim_inode *inode;
    const char *text;
};

/* Makes the settings (1 or 2) one change, in the cache and pending. */
void names_change(struct list *pending, const struct name_setting *settings, size_t count);
/* Makes all changes of `directory` durable. */
void names_sync(struct list *pending, struct sim_inode *directory);
/* Power is gone: some pending changes happen to be durable, the others never were. The tree below `root` is read
 * again. */
void names_power_cut(struct list *pending, struct sim_inode *root, struct prng *prng);
void names_forget(struct list *pending);

#endif
