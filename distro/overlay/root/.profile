# ~/.profile: read by login shells after /etc/profile.

if [ -n "${BASH-}" ] && [ -r ~/.bashrc ]; then
	. ~/.bashrc
fi
mesg n 2>/dev/null || true
