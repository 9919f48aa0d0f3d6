# SPDX-License-Identifier: MIT
# The backend for a host process. x_kern.c sees kernel headers only, x_host.c libc only.
HOSTED_KERN := $(sort $(wildcard hal/hosted-posix/*_kern.c))
HOSTED_HOST := $(sort $(wildcard hal/hosted-posix/*_host.c))
HOSTED_ASM := hal/hosted-posix/switch.S
