# ~/.bashrc: read by interactive bash shells.

case $- in *i*) ;; *) return ;; esac

shopt -s checkwinsize histappend
HISTCONTROL=ignoreboth
HISTSIZE=2000

# user@host in green, the directory in blue, the status of what failed in red
maestro_status()
{
	local status=$?
	[ $status = 0 ] || printf '[%d] ' $status
}
case $TERM in
dumb | vt100 | '') PS1='$(maestro_status)\u@\h:\w\$ ' ;;
*) PS1='\[\e[1;31m\]$(maestro_status)\[\e[32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ ' ;;
esac

alias ls='ls --color=auto'
alias ll='ls -l'
alias la='ls -la'
alias grep='grep --color=auto'
