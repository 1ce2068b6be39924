/* SPDX-License-Identifier: Apache-2.0 */
#include "main/sandbox_side.h"

enum { NAMES_MAX = 64 };

struct names {
    const char *list[NAMES_MAX + 1]; /* NULL-ended */
    size_t count;
};

static bool add_names(struct names *all, const char *const *more, const char *language,
                      struct err *e)
{
    for (; more && *more; more++) {
        bool known = false;
        for (size_t i = 0; i < all->count; i++)
            known = known || strcmp(all->list[i], *more) == 0;
        if (known)
            continue;
        if (all->count == NAMES_MAX)
            return err_set(e, ERR_INVALID, "%s: more than %d mounts in all languages", language,
                           NAMES_MAX);
        all->list[all->count++] = *more;
    }
    return true;
}

static bool start_keeper(struct sandbox_side *side, const struct settings *s, struct err *e)
{
    struct names etc = { 0 }, mounts = { 0 };
    for (size_t i = 0; i < catalogue_count(side->catalogue); i++) {
        const struct language *l = catalogue_at(side->catalogue, i);
        if (l->offered &&
            !(add_names(&etc, l->etc, l->id, e) && add_names(&mounts, l->mounts, l->id, e)))
            return false;
    }
    struct keeper_config config = settings_keeper(s);
    config.etc = etc.list;
    config.mounts = mounts.list;
    side->keeper = keeper_start(&config, e);
    return side->keeper != NULL;
}

static bool all_layers_ok(const struct sandbox_side *side, struct err *e)
{
    for (int i = 0; i < side->layer_count; i++) {
        const struct layer *l = &side->layers[i];
        if (!l->ok)
            return err_set(e, ERR_SYSTEM, "sandbox layer \"%s\" cannot be set up: %.80s; fix: %s",
                           l->name, l->detail, l->fix);
    }
    return true;
}

bool sandbox_side_start(struct sandbox_side *ret, const struct settings *s, bool any_layer,
                        struct err *e)
{
    CLEANUP(sandbox_side_done) struct sandbox_side side = { 0 };
    side.catalogue = catalogue_load(s->languages_dir, e);
    if (!side.catalogue || !start_keeper(&side, s, e) ||
        !keeper_probe(side.keeper, side.layers, &side.layer_count, e))
        return false;
    if (!any_layer && !all_layers_ok(&side, e))
        return false;
    *ret = side;
    side = (struct sandbox_side){ 0 };
    return true;
}

void sandbox_side_done(struct sandbox_side *side)
{
    keeper_stop(side->keeper);
    catalogue_free(side->catalogue);
    *side = (struct sandbox_side){ 0 };
}
