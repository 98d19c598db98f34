/* Pending changes are made durable one by one: those of a synced directory in order, at a power cut any that luck
 * chooses. A rename is one change with two settings, so it happens whole or not at all. A setting that became durable
 * cancels older ones of the same name, which must not come back later. */
#include "tests/sim/names.h"

#include "common/base/assert.h"

#include <string.h>

#define SETTINGS_MAX 2

struct change_setting {
    struct sim_inode *directory; /* NULL: cancelled */
    struct sim_inode *inode;
    char *text;
};

struct name_change {
    struct list link;
    struct change_setting settings[SETTINGS_MAX];
    size_t count;
};

static void name_free(struct sim_name *name)
{
    list_remove(&name->link);
    inode_unref(name->inode);
    sim_free(name);
}

void names_clear(struct list *names)
{
    while (!list_empty(names)) {
        name_free(LIST_ENTRY(names->next, struct sim_name, link));
    }
}

static struct sim_name *names_find_name(const struct list *names, const char *text)
{
    LIST_EACH(link, names) {
        struct sim_name *name = LIST_ENTRY(link, struct sim_name, link);

        if (strcmp(name->text, text) == 0) {
            return name;
        }
    }
    return NULL;
}

struct sim_inode *names_find(const struct list *names, const char *text)
{
    const struct sim_name *name = names_find_name(names, text);

    return name != NULL ? name->inode : NULL;
}

static void names_set(struct list *names, const char *text, struct sim_inode *inode)
{
    struct sim_name *before = names_find_name(names, text);

    if (inode != NULL) {
        struct sim_name *name = sim_alloc(sizeof(*name) + strlen(text) + 1);

        name->inode = inode_ref(inode);
        memcpy(name->text, text, strlen(text));
        list_append(names, &name->link);
    }
    if (before != NULL) {
        name_free(before);
    }
}

static void setting_cancel(struct change_setting *setting)
{
    if (setting->directory == NULL) {
        return;
    }
    inode_unref(setting->directory);
    if (setting->inode != NULL) {
        inode_unref(setting->inode);
    }
    sim_free(setting->text);
    setting->directory = NULL;
}

static void change_free(struct name_change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        setting_cancel(&change->settings[i]);
    }
    list_remove(&change->link);
    sim_free(change);
}

void names_change(struct list *pending, const struct name_setting *settings, size_t count)
{
    struct name_change *change = sim_alloc(sizeof(*change));

    ASSERT(count <= SETTINGS_MAX);
    change->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct name_setting *setting = &settings[i];
        char *text = sim_alloc(strlen(setting->text) + 1);

        memcpy(text, setting->text, strlen(setting->text));
        change->settings[i] =
            (struct change_setting){.directory = inode_ref(setting->directory),
                                    .inode = setting->inode != NULL ? inode_ref(setting->inode) : NULL,
                                    .text = text};
    }
    list_append(pending, &change->link);
    for (size_t i = 0; i < count; i++) {
        names_set(&settings[i].directory->cached_names, change->settings[i].text, settings[i].inode);
    }
}

/* Cancels what changes before `change` say about the name of `setting`. */
static void change_supersede(struct list *pending, const struct name_change *change,
                             const struct change_setting *setting)
{
    for (struct list *link = pending->next; link != &change->link; link = link->next) {
        struct name_change *older = LIST_ENTRY(link, struct name_change, link);

        for (size_t i = 0; i < older->count; i++) {
            if (older->settings[i].directory == setting->directory &&
                strcmp(older->settings[i].text, setting->text) == 0) {
                setting_cancel(&older->settings[i]);
            }
        }
    }
}

static void change_apply(struct list *pending, struct name_change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        const struct change_setting *setting = &change->settings[i];

        if (setting->directory != NULL) {
            change_supersede(pending, change, setting);
            names_set(&setting->directory->durable_names, setting->text, setting->inode);
        }
    }
    change_free(change);
}

static bool change_concerns(const struct name_change *change, const struct sim_inode *directory)
{
    for (size_t i = 0; i < change->count; i++) {
        if (change->settings[i].directory == directory) {
            return true;
        }
    }
    return false;
}

void names_sync(struct list *pending, struct sim_inode *directory)
{
    struct list *link = pending->next;

    while (link != pending) {
        struct name_change *change = LIST_ENTRY(link, struct name_change, link);

        link = link->next;
        if (change_concerns(change, directory)) {
            change_apply(pending, change);
        }
    }
}

/* Directories show again what is durable. */
static void names_reread(struct sim_inode *directory)
{
    struct list old;

    list_init(&old);
    list_move_all(&old, &directory->cached_names);
    LIST_EACH(link, &directory->durable_names) {
        const struct sim_name *name = LIST_ENTRY(link, struct sim_name, link);

        names_set(&directory->cached_names, name->text, name->inode);
        if (name->inode->kind == DISK_DIRECTORY) {
            names_reread(name->inode);
        }
    }
    names_clear(&old);
}

void names_power_cut(struct list *pending, struct sim_inode *root, struct prng *prng)
{
    const uint64_t mode = prng_below(prng, 4); /* none, all, the first ones, any */
    bool kept = mode != 0;
    struct list *link = pending->next;

    while (link != pending) {
        struct name_change *change = LIST_ENTRY(link, struct name_change, link);

        link = link->next;
        if (mode == 2) {
            kept = kept && prng_below(prng, 4) != 0;
        } else if (mode == 3) {
            kept = prng_below(prng, 2) != 0;
        }
        if (kept) {
            change_apply(pending, change);
        }
    }
    names_forget(pending);
    names_reread(root);
}

void names_forget(struct list *pending)
{
    while (!list_empty(pending)) {
        change_free(LIST_ENTRY(pending->next, struct name_change, link));
    }
}
