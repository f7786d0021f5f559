"""A bot that says what it is told: ``!echo text``.

Let it join a circle as a member of its own (`cloister join`, vouched for like anybody; call it
"Echo (bot)"), keep `cloister agent run --profile echo` running, then: python examples/echo_bot.py
"""

from cloister import Bot, Context

bot = Bot("echo")


@bot.command("echo")
async def echo(context: Context) -> None:
    """Answer with what follows the command."""
    await context.reply(context.rest or "(nothing)")


if __name__ == "__main__":
    bot.run()
