/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_side.h - the catalogue and the keeper, which every command that runs programs needs.
 *
 * The keeper is told what the languages need to see in a box, so the catalogue comes first; both
 * come before root is given up.
 */
#ifndef EVALX_MAIN_SANDBOX_SIDE_H
#define EVALX_MAIN_SANDBOX_SIDE_H

#include "lang/lang.h"
#include "main/settings.h"
#include "sandbox/box.h"

struct sandbox_side {
    struct catalogue *catalogue;
    struct keeper *keeper;
    struct layer layers[LAYERS_MAX]; /* as probed */
    int layer_count;
};

/*
 * Load the languages, start the keeper, probe every layer. Fails closed: a layer that is not there
 * is an error that names it and its fix.
 *
 * any_layer  true: broken layers are left to the caller to look at (doctor)
 */
MUST_USE bool sandbox_side_start(struct sandbox_side *ret, const struct settings *s, bool any_layer,
                                 struct err *e);
void sandbox_side_done(struct sandbox_side *side);
CLEANUP_FOR_STRUCT(struct sandbox_side, sandbox_side_done)

#endif
