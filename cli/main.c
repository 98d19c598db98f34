/* The millrace command: hands its command line to the table. */
#include "cli/commands.h"

int main(int argc, char **argv)
{
    return cli_main(command_table, argc, argv);
}
