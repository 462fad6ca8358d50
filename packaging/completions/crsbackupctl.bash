# bash completion for crsbackupctl(1) and crsbackupd(8).
#
# Verbs and options are those of --help; schedules and instances are those of the file that -c names on the
# line, or of the default one.

_crsbackupctl_names() { # KIND
    local i file=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -c ]] && file=(-c "${COMP_WORDS[i + 1]/#~/$HOME}")
    done
    "$program" names "$1" "${file[@]}" 2>/dev/null
}

_crsbackupctl() {
    local program=${1/#~/$HOME} cur=$2 option=$3 verb='' i
    COMPREPLY=()
    # readline cuts --option=value into three words.
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $option == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -c | --socket | --timeout)
                ((i++))
                [[ ${COMP_WORDS[i]} == = ]] && ((i++))
                ;;
            -*) ;;
            *)
                verb=${COMP_WORDS[i]}
                break
                ;;
        esac
    done
    case $option in
        -c | --socket)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --schedule) mapfile -t COMPREPLY < <(compgen -W "$(_crsbackupctl_names schedules)" -- "$cur") && return ;;
        --instance) mapfile -t COMPREPLY < <(compgen -W "$(_crsbackupctl_names instances)" -- "$cur") && return ;;
        --timeout) return ;;
        --*) [[ $verb != '' && $option != --help && $option != --json && $option != --wait && $option != --failed ]] && return ;;
    esac
    local words
    if [[ $verb == '' ]]; then
        words="--help --json --version --socket --timeout -c $("$program" --help 2>/dev/null | sed -n 's/^  \([a-z-][a-z-]*\)  .*/\1/p')"
    elif [[ $cur == -* ]]; then
        words="--help --json $("$program" "$verb" --help 2>/dev/null | grep -oE -- '(^|[[ {|])(--[a-z][a-z-]*|-c)\b' | tr -d '[ {|')"
    else
        case $verb in
            next | pause | resume) words=$(_crsbackupctl_names schedules) ;;
            why) words=$(_crsbackupctl_names instances) ;;
            names) words='schedules instances' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur" | sort -u)
}

_crsbackupd() {
    if [[ $3 == -c || $3 == --config ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$2")
    else
        mapfile -t COMPREPLY < <(compgen -W '-c --config --check --version --help' -- "$2")
    fi
}

complete -F _crsbackupctl crsbackupctl
complete -F _crsbackupd crsbackupd
