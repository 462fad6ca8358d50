# fish completion for crsbackupctl(1).
#
# Verbs and options are those of --help; schedules and instances are those of the file that -c names on the
# line, or of the default one.

function __crsbackupctl_verb
    set -l is_value no
    for word in (commandline -opc)[2..]
        if test $is_value = yes
            set is_value no
        else if contains -- $word -c --socket --timeout
            set is_value yes
        else if not string match -q -- '-*' $word
            echo $word
            return
        end
    end
    return 1
end

function __crsbackupctl_names --argument-names kind
    set -l words (commandline -opc)
    set -l file
    if set -l at (contains -i -- -c $words)
        set file -c $words[(math $at + 1)]
    end
    crsbackupctl names $kind $file 2>/dev/null
end

function __crsbackupctl_verbs
    crsbackupctl --help 2>/dev/null | string replace -rf '^  ([a-z-]+)  +(.*)' '$1\t$2'
end

function __crsbackupctl_options
    printf '%s\n' --help --json
    crsbackupctl (__crsbackupctl_verb) --help 2>/dev/null | string match -ra '(?:^|[[ {|])(?:--[a-z][a-z-]*|-c)\b' |
        string trim -c '[ {|'
end

function __crsbackupctl_is --description 'the verb is one of these'
    contains -- (__crsbackupctl_verb; or echo none) $argv
end

complete -c crsbackupctl -f
complete -c crsbackupctl -n 'not __crsbackupctl_verb' -a '(__crsbackupctl_verbs)'
complete -c crsbackupctl -n 'not __crsbackupctl_verb' -a '--help --json --version'
complete -c crsbackupctl -n __crsbackupctl_verb -a '(string match -q -- "-*" (commandline -ct); and __crsbackupctl_options)'
complete -c crsbackupctl -n '__crsbackupctl_is next pause resume' -a '(__crsbackupctl_names schedules)'
complete -c crsbackupctl -n '__crsbackupctl_is why' -a '(__crsbackupctl_names instances)'
complete -c crsbackupctl -n '__crsbackupctl_is names' -a 'schedules instances'
complete -c crsbackupctl -n __crsbackupctl_verb -l schedule -x -a '(__crsbackupctl_names schedules)'
complete -c crsbackupctl -n __crsbackupctl_verb -l instance -x -a '(__crsbackupctl_names instances)'
complete -c crsbackupctl -l socket -rF
complete -c crsbackupctl -l timeout -x
complete -c crsbackupctl -s c -rF
