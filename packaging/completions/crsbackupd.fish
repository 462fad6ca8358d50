# fish completion for crsbackupd(8).

complete -c crsbackupd -f
complete -c crsbackupd -s c -l config -rF -d 'the configuration'
complete -c crsbackupd -l check -d 'read it, show the coming slots, exit'
complete -c crsbackupd -l version -d 'show the version'
complete -c crsbackupd -s h -l help -d 'show the options'
