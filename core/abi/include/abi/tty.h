/* SPDX-License-Identifier: MIT */
/* Structures of terminal ioctls as programs see them: tty_ioctl(4), ioctl_console(2). */
#pragma once

#include <maestro/types.h>

struct abi_termios { /* TCGETS: what the kernel takes, not the C library's larger one */
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[19];
};
_Static_assert(sizeof(struct abi_termios) == 36, "struct termios");
struct abi_termios2 { /* TCGETS2 */
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[19];
	u32 c_ispeed, c_ospeed;
};
_Static_assert(sizeof(struct abi_termios2) == 44, "struct termios2");
struct abi_termio { /* TCGETA */
	u16 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[8];
};
_Static_assert(sizeof(struct abi_termio) == 18, "struct termio");
struct abi_winsize {
	u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};
_Static_assert(sizeof(struct abi_winsize) == 8, "struct winsize");
struct abi_vt_stat {
	u16 v_active, v_signal, v_state;
};
_Static_assert(sizeof(struct abi_vt_stat) == 6, "struct vt_stat");
struct abi_vt_mode {
	s8 mode, waitv;
	s16 relsig, acqsig, frsig;
};
_Static_assert(sizeof(struct abi_vt_mode) == 8, "struct vt_mode");
struct abi_vt_sizes {
	u16 v_rows, v_cols, v_scrollsize;
};
_Static_assert(sizeof(struct abi_vt_sizes) == 6, "struct vt_sizes");
struct abi_kbentry {
	u8 kb_table, kb_index;
	u16 kb_value;
};
_Static_assert(sizeof(struct abi_kbentry) == 4, "struct kbentry");
struct abi_serial_struct {
	s32 type, line;
	u32 port;
	s32 irq, flags, xmit_fifo_size, custom_divisor, baud_base;
	u16 close_delay;
	u8 io_type, reserved_char;
	s32 hub6;
	u16 closing_wait, closing_wait2;
	unsigned long iomem_base; /* a pointer, always 0 */
	u16 iomem_reg_shift;
	u32 port_high;
	unsigned long iomap_base;
};
_Static_assert(sizeof(struct abi_serial_struct) == (sizeof(long) == 8 ? 72 : 60), "struct serial_struct");
