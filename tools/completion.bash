# SPDX-License-Identifier: Apache-2.0
# Completion of evalx in bash: commands, their verbs, settings of serve, ids of languages.
# shellcheck shell=bash

_evalx() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        words="serve run languages doctor health bench webhooks queue history config --help --version"
    else
        case $command in
        # --data-dir and all its relatives: what the program says it knows.
        serve) words=$(evalx config --env 2>/dev/null | sed -n 's/^#*EVALX_\([A-Z0-9_]*\)=.*/--\1/p' | tr 'A-Z_' 'a-z-') ;;
        languages) words="--test --json $(evalx languages 2>/dev/null | awk '{ print $1 }')" ;;
        queue) words="stats workers list inspect retry drop pause resume drain --json --server= --token=" ;;
        webhooks) words="list show replay secret listen --json --server= --token=" ;;
        history) words="export import --from --to" ;;
        config) words="--env --markdown" ;;
        run) case $word in
            -*) words="--language= --stdin= --files= --expected= --checker= --collect= --into= --options= --env= --cpu-time=
                       --wall-time= --memory= --stack= --file-size= --output= --processes= --json --quiet" ;;
            esac ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
}
complete -o default -F _evalx evalx
