// Linked only into the guest's PID 1. It has no interface: its constructor does the work.
#ifndef CGUESTSTART_H
#define CGUESTSTART_H
void cgs_present(void);   // referenced by the guest so that the linker keeps the constructor
#endif
