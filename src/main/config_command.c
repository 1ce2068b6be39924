/* SPDX-License-Identifier: Apache-2.0 */
#include "main/commands.h"
#include "main/settings.h"

int command_config(int argc, char **argv)
{
    CLEANUP(settings_done) struct settings s = { 0 };
    bool set[SETTINGS_MAX];
    struct err e;
    enum conf_style style = CONF_VALUES;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--markdown") == 0) {
            style = CONF_MARKDOWN;
        } else if (strcmp(argv[i], "--env") == 0) {
            style = CONF_ENV;
        } else {
            fprintf(stderr, "evalx: config takes --markdown or --env, not %s\n", argv[i]);
            return 2;
        }
    }
    /* The reference page does not depend on who asks. */
    if (style == CONF_VALUES && !settings_load(&s, set, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 1;
    }
    CLEANUP(buf_done) struct buf out = { 0 };
    conf_print(&settings_table, style, &s, set, &out);
    fputs(buf_str(&out).ptr, stdout);
    return 0;
}
