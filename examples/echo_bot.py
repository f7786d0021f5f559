"""A bot that says what it is told: ``!echo text``.

Let it join a circle as a bot (`cloister join --bot`), keep `cloister agent run` running for its
profile, then: python examples/echo_bot.py PROFILE
"""

import sys

from cloister import Bot, Context

bot = Bot()


@bot.command("echo")
async def echo(context: Context) -> None:
    """Answer with what follows the command."""
    await context.reply(context.rest or "(nothing)")


if __name__ == "__main__":
    bot.run(*sys.argv[1:2])
